module incidents

go 1.22
