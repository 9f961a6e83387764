(module
  (data (i32.const 12) "\07\05\02\03\06")
  (func (export "test")
    (memory.copy (i32.const 20) (i32.const 22) (i32.const 4)))
  (func (export "load2_u") (param i32) (result i32)
    (i32.load8_u (local.get 0))))