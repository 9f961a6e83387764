(module
  (memory 0)  
  (func (export "size") (result i32) (memory.size 0xFFFF_FFFF ))
)