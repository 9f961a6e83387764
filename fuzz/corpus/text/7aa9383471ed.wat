(module
  (memory (export "memory0") 1 1)
  (data(nop))
  (func (export "load8_u") (param i32) (result i32)
    (i32.load8_u (local.get 0))))