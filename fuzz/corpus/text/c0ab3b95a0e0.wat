(module
  (memory i64 1)

  (func (export "fill") (param i64 i32 i64)
   i32.and (memory.fill
 i64.atomic.store32
      (local.get 1)
      (local.get 2)))

  (func (export "load8_u") (param i64) (result i32)
    (i32.load8_u (local.get 0)))
)