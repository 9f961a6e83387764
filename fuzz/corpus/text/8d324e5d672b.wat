(module
  (memory i64 1)
    (data   (data.drop 0)))