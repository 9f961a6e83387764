(module
  (func $kf64x2g)

  (table $t funcref (elem (\uuuuuuuuuuu32

  ($g)))
)