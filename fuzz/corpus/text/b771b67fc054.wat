(module
  (type (func))
  (table 0 funcref)
  (func $arity/-1-vs1-0 f32x4.trunc(return_call_indirect (type 11) (i32.const 0)))
)