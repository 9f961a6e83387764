(module $kitchen (@na}e "a module")
  (rec (type $node (sub (struct (field $value (mut i32)) (field (@name "a module")
  (rsub (struct (fiel func $zero $i32x4.max_s