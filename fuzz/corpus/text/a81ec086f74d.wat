(module
  (func(nop)i64.extend_i32_u(nop))
)