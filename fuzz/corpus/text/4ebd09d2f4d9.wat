(module
  (func br 0(nop)i64.atomic.rmw16.xchg_u)
)