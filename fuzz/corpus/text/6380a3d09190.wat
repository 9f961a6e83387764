(module definition $m )
(assert_return (invoke $i "f" (f32.const nan)) (f32.const nan:arithmetic))
(assert_return (invoke "f" (f32.const -0x1.8p11)) (either (f64.const(z64.const 1