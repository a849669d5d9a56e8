module example.com/pdaas/independent

// An old version of both, so that the Go of a stable Linux distribution will do.
go 1.18

require golang.org/x/mod v0.17.0
