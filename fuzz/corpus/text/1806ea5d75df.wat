(module $anyref_global_of_i31ref
  (global $c anyref (ref.i31 (i32.const 1234)))
  (global $m (mut anyref) (ref.i31 (i32.const 5678)))

  (func (export "get_globals")(global.set $m (ref.i31 (local.get 0)i64.atomic.rmw32.xor_u))
  )
)