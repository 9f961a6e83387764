(component
  (import "fs" (instance $fs
    (export "file" (type $file (sub resource)))
    (export "[constructor]file" (func (param "path" string) (result (own $file))))
    (export "[method]file.read" (func (param "self" (borrow $file)) (result (result (list u8) (error u32)))))))
  (alias export $fs "file" (type $file))
  (component $C
    (type $r (resource (rep i32)))
    (export "r" (type $r)))
  (instance $a (instantiate $C))
  (instance $b (instantiate $C))
  (export "f" (type $file))
  (export "a" (instance $a))
  (core func $drop (canon resource.drop $file)))
