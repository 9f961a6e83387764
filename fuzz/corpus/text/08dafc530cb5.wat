(module
  (rec
    (type $t1 (func))
    (type $t1 (fu)