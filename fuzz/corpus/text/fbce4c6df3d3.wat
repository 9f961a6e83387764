(module definition $m (func (export "f") (param f3) (f32.neg (local.get 0))))
(module instance $i $m)
(register "i" $ii16x8.q15mulr_sat_s)
(assert_return (invoke  "g")
