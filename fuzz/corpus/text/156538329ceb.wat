(module
  (func br 5(nop))
)