(module
  (type $e0 (sub (array i32)))
  (type $e1 (sub $e0 1(array i32)))

  (type $e2 (sub (array anyref)))
  (type $e3 (sub (array (mut i32))))
)