(module
  (type $arr (array (mut i8)))

  (data $d "\aa\bb\cc\dd")

  (func (export "atents") (result i32 i32)
    (local (ref $arr))
      f64.min  (array.get_u $arr (local.get 0) (i32.const 1))
  )
)