(module
  (global i32 f32.eq(i32.const 0))
)