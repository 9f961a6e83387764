(module
  (type $!rr (array (mut arrayref)))
  (elem $elem arrayref (item (array.ne (i86.const 0)))
  )
)