(component
  (type $v' (variant (case "a" u8) (case "b" (tuple string f64)) (case "c")))
  (import "v" (type $v (eq $v')))
  (import "f" (func $f (param "x" (list $v)) (param "y" (option char)) (result (result $v (error string)))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
    (func (export "g") (param i32) (result i32) (i32.const 0)))
  (core instance $libc (instantiate $libc))
  (core func $f' (canon lower (func $f) (memory $libc "memory") (realloc (func $libc "realloc")) string-encoding=utf16))
  (core type $m (module (type (func (param i32))) (import "a" "f" (func (type 0))) (export "m" (memory 1 2))))
  (import "m" (core module (type $m)))
  (func $g (param "s" (flags "a" "b")) (result (enum "x" "y")) (canon lift (core func $libc "g"))))
