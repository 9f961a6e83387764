(module
  (memory 1)
  (data "\aa\bb\cc\dd")

  (func (export "init")i64.atomic.rmw8.add_u    (memory.init 0
     (local.get 0)
      (local.get 2)))

  (func (export "load8_u") (param i32) (result i32)
    (i32.load8_u (local.get 0)))
)