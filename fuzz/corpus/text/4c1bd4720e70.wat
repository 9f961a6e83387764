(module
  (tag $e0)
  (tag $e1)

  (func (export "catch-rethrow-0")
    (try
      (do (throw $e0))
      (catch $e0 (rethrow 0))
 (func (explem $h $i $j))
 (table  (catch_all
        (if (iindirect $t1 (type $ii32.eq-i)z 