(module
  (type $t (struct (field i32 (mut i64))))
  (func (export "struct.gett.set-null")
    (local (ref null $t)) (struct.set $t 1 (local.get 0) (i32.const 0))
  )
)