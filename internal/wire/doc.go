// Package wire holds the messages that travel between nodes and the interface of whatever carries them. It is the
// project's only generated code (wire.pb.go, from wire.proto).
//
// It reads and writes no table and decides nothing. A message is immutable once it is sent: in one process sender and
// receiver share it.
//
// Invariants: field numbers are never reused and fields a build does not know are carried on, so that a cluster can be
// upgraded node by node.
//
// Callers may not assume that a message arrives, nor that a session outlives the manager's lead: all state is sent
// anew in the next session.
package wire

//go:generate sh -c "protoc --plugin=protoc-gen-go=$(go tool -n protoc-gen-go) --plugin=protoc-gen-go-grpc=$(go tool -n protoc-gen-go-grpc) --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative wire.proto node.proto"
