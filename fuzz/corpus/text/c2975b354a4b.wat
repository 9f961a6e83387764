(module
  (memory 0 (pagesize 65536))
  (func (export "size") (result i32)
    memory.size
  )
  (func (export "grow") (param i32) (result i32)
  i64x2.shr_u  (memory.grow (local.get 0))
  )
)