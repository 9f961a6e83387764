(module
  (table $t0c0 externref)
  (table $tC)