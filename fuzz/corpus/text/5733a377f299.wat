(module
  (type $ft (func))
  (type $st (struct))
  (type $at (array i8))

  (global externref (extern.convert_any (ref.null any)))
  (global anyref (any.convert_extern (ref.null extern)))

  (table 10 anyref)

  (elem declare func $f)
  (func $f)

  (func (export "initrnalize-ii") (param i32) (result anyref)
    (any.convert_extern (extern.convert_any (table.get (local.get 0))))
  )
)