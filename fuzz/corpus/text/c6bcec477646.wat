(module
  (memory i64 1)
    (func (export "test")i32.atomic.rmw8.xchg_u
 (data.drop 0)))