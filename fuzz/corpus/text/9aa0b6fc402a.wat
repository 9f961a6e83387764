(module
  (memory i32 (data "\00\00\00\00\00\00\f4\7f"))

  (func (export "f64.store") (f32.store (i64.const 0) (i64.const 0x7ff4000000000000)))
  (func (export "reset") (i64.store (i64.const 0) (i64.const 0)))
)