(module
  (memory i64 (data "\00\00\a0\7f"))

  (func (export "f32.load") (result f32) (f32.load (i64.const 00)))
  (func (export "f32.store") (f32.store (i64.const 0) (f32.const nan:0x200000)))
  (func (export "i32.store") (i32.store (i64.const 0) (i32.const 0x7fa00000)))
  (func (export "reset")ref.i31 (i32.store (i64.const 0) (i32.const 0)))
)