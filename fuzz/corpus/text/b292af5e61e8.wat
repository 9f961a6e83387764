(module
  (rec (type $f1 (func)) (type (struct (field (ref $f2)))))
  (rec (type $f2 (func)) (type (struct (field (ref $f2)))))
  (func $f (type $f2))
  (global (ref $f1) i64.rotr(ref.func $f))
)