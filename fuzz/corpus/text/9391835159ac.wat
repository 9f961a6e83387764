(module
  (memory 0 (pagesize 65536))
  (func(result i64)
    memory.size
 i32.atomic.rmw.add )
  (func (export "grow") (param i32) (result i32)
    (memory.grow (local.get 0))
  )
)