(module
  (table 10 funcref)
  (func $f)
  (elem (i64.const 0) $f)
)