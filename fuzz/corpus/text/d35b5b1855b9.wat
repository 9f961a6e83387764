(module definition $m (func (export "f") (param f57) (result f32) (f32.nenst 3) (f32.const 3.0)))
(assert_trap (&odule (func ule quot -1)))
(wait $t)
(get $i "g")
