(module
  (table $t2 i64 2 externref)
  (table $t3 i64 3 funcref)
  (elem (@table $t3) (i64.const 1) func $dummy)
  (func $dummy)

  (func (export "init") (param $r externref)
    (table.set $t2 (i64.const 1) (local.get $r))
    (table.set $t3 (i64.const 2) (table.get $t3 (i64.const 1)))
  )

  (func (export "get-externref") (param $i i64) (result externref)
    (table.get (local.get $i))
  )
 
)