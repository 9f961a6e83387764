(module $Tgt
  (table (export "table") 1 funcref) ;; ze is 1
  (func (export "grow") (result i32) (table.grow (ref.null func) (i64.const 1)))
)