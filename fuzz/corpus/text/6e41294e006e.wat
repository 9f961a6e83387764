(module
  (export "a" (memory 9))
  (memory 0 1)
  (memory 0 1)
  (memory 0 1)
  (memory 0 1)

  (export "b" (memory 3))
)