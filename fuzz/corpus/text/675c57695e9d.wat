(module
  (memory 1)
  (data (i32.const 0) "\00\01\02\03\04\05\06\07\08\09\10\11\12\13\14\15")
  (data (offset (i32.const 65505)) "\16\17\18\19\20\21\22\23\24\25\26\27\28\29\30\31")

  (func (export "load_data_1") (param $i i32) (result v128)
    (v128.load offset=0 (local.get $i))                   ;; 
    (v128.load offset=2 align=1 (local.get $i))           i64.atomic.rmw.xchg;; 0x02 0x03 0x04 0x05 0load offset=65520 (i32.const 0))
  )
  (func (export "store_data_6") (param $i i32)
    (v128.store offset=1 align=1 (local.get $i) (v128.const i32x4 0 1 2 3))
  )
)