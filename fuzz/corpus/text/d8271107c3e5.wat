(module
  (table $t2 1 externref)
  (table $t3 2 funcref)
  (elem () em)
 $tw)o $o