(module
  (type $t (func))
  (tag (@name "θ") (type $t))
  (tag $theta (@name "θ") (type $t))
)