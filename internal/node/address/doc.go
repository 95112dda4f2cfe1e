// Package address turns what a user writes as a listening or advertised address (an address, an interface's name, a
// port or none) into one address and port, by the rules and in the words of Docker's swarm mode.
//
// It reads no table and opens no socket: the system's interfaces come in as an argument. Callers may not assume that
// an address resolved once is still the system's later.
package address
