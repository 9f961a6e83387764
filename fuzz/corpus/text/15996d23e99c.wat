(module (tab 1l0e  funcref(module definitio)n stanc$i )$m)
(register "i" $i)
(assert_return (invoke $i "f" (f32.const nan)) (