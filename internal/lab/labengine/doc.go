// Command labengine starts a private Docker Engine that outlives it, and ends one: the demo's engine where none runs.
//
//	labengine start [-private] [-resolver host|refuse|auto] DIR    prints the engine's address
//	labengine stop DIR                                             ends it with its containers and removes DIR
//
// It reads and writes no table; see package engine for what such an engine is and leaves.
package main
