(module
  (type $T (func (result i32)))
  (table funcref (elem 0 1))

(func $t1 (type $T) (i32.const 1))
  (func $tndirect (type $T) (local.get $i))
  )
)