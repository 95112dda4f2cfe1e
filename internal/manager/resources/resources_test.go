package resources

import (
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/stretchr/testify/require"
)

func count(kind string, n int64) swarm.GenericResource {
	return swarm.GenericResource{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: kind, Value: n}}
}

func value(kind, name string) swarm.GenericResource {
	return swarm.GenericResource{NamedResourceSpec: &swarm.NamedGenericResource{Kind: kind, Value: name}}
}

func offer(generic ...swarm.GenericResource) Offer {
	return OfferOf(&swarm.Resources{NanoCPUs: 4, MemoryBytes: 4, GenericResources: generic})
}

func asks(generic ...swarm.GenericResource) *Amounts {
	a := Of(&swarm.Resources{GenericResources: generic})
	return &a
}

func TestReserved(t *testing.T) {
	require.Equal(t, Amounts{}, Reserved(&swarm.TaskSpec{}))
	require.Equal(t, Amounts{}, Reserved(&swarm.TaskSpec{Resources: &swarm.ResourceRequirements{}}))
	asked := &swarm.Resources{NanoCPUs: 1, MemoryBytes: 2, GenericResources: []swarm.GenericResource{count("gpu", 2), count("gpu", 1)}}
	require.Equal(t, Amounts{1, 2, map[string]int64{"gpu": 3}},
		Reserved(&swarm.TaskSpec{Resources: &swarm.ResourceRequirements{Reservations: asked}}))
}

// TestOffer: of a kind with values each counts once, and a number beside them does not.
func TestOffer(t *testing.T) {
	o := offer(value("gpu", "b"), value("gpu", "a"), value("gpu", "b"), count("gpu", 7), count("ssd", 2))
	require.Equal(t, map[string]int64{"gpu": 2, "ssd": 2}, o.Generic)
	require.Equal(t, map[string][]string{"gpu": {"b", "a"}}, o.Names)
}

// TestKeeps: a task keeps its place while there is as much as it reserves, and just what was assigned to it.
func TestKeeps(t *testing.T) {
	for name, c := range map[string]struct {
		offer    Offer
		ask      *Amounts
		assigned []swarm.GenericResource
		keeps    bool
	}{
		"all there is":                       {offer(), &Amounts{NanoCPUs: 4, Memory: 4}, nil, true},
		"too few cores":                      {offer(), &Amounts{NanoCPUs: 5}, nil, false},
		"too little memory":                  {offer(), &Amounts{Memory: 5}, nil, false},
		"a count":                            {offer(count("gpu", 2)), asks(count("gpu", 2)), []swarm.GenericResource{count("gpu", 2)}, true},
		"too small a count":                  {offer(count("gpu", 1)), asks(count("gpu", 2)), []swarm.GenericResource{count("gpu", 2)}, false},
		"nothing of the kind":                {offer(), asks(count("gpu", 1)), []swarm.GenericResource{count("gpu", 1)}, false},
		"its value":                          {offer(value("gpu", "a")), asks(count("gpu", 1)), []swarm.GenericResource{value("gpu", "a")}, true},
		"another value":                      {offer(value("gpu", "b")), asks(count("gpu", 1)), []swarm.GenericResource{value("gpu", "a")}, false},
		"values that are counted now":        {offer(count("gpu", 1)), asks(count("gpu", 1)), []swarm.GenericResource{value("gpu", "a")}, false},
		"a count where there are values":     {offer(value("gpu", "a")), asks(count("gpu", 1)), []swarm.GenericResource{count("gpu", 1)}, false},
		"counted before values were given":   {offer(value("gpu", "a")), asks(count("gpu", 1)), nil, true},
		"none of a kind that is not offered": {offer(), asks(count("gpu", 0)), nil, true},
	} {
		r := Room{Offer: c.offer}
		require.Equal(t, c.keeps, r.Keeps(c.ask, c.assigned), name)
	}
}

// TestTaken: what tasks have is nobody else's until it is returned, and what nobody reserves nobody lacks.
func TestTaken(t *testing.T) {
	r := Room{Offer: offer(value("gpu", "a"), value("gpu", "b"), count("ssd", 1))}
	two, one := &Amounts{NanoCPUs: 3, Memory: 4, Generic: map[string]int64{"gpu": 2, "ssd": 1}}, &Amounts{NanoCPUs: 1, Generic: map[string]int64{"gpu": 1}}
	require.True(t, r.Fits(two))
	given := r.Assign(two)
	require.Equal(t, []swarm.GenericResource{value("gpu", "a"), value("gpu", "b"), count("ssd", 1)}, given)
	r.Take(two, given)
	require.False(t, r.Fits(one), "no value is free")
	require.True(t, r.Fits(&Amounts{NanoCPUs: 1}))
	require.False(t, r.Fits(&Amounts{Memory: 1}))

	r.Offer = offer(value("gpu", "b"), value("gpu", "c"))
	require.False(t, r.Fits(one), "c is free, but as many are taken as there are")
	require.True(t, r.Fits(asks(count("gpu", 0), count("ssd", 0))), "nothing is less than what is left of more than there is")
	r.Return(two, given)
	given = r.Assign(one)
	require.Equal(t, []swarm.GenericResource{value("gpu", "b")}, given)
	r.Take(one, given)
	require.Equal(t, []swarm.GenericResource{value("gpu", "c")}, r.Assign(one))
	r.Return(one, given)
	require.Equal(t, Amounts{Generic: map[string]int64{}}, r.Used)
	require.Empty(t, r.Held)
}
