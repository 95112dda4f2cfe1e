package bench

import "testing"

// The picture is of what runs, by image and by host; a container that ended is there until it is removed.
func TestPicture(t *testing.T) {
	c := newContainers()
	say := func(host, action, id, image string) {
		e := event{Action: action}
		e.Actor.ID, e.Actor.Attributes = id, map[string]string{"image": image}
		c.apply(host, e, nil)
	}
	for _, id := range []string{"a", "b"} {
		say("w1", "create", id, image1)
		say("w1", "start", id, image1)
	}
	say("w2", "create", "c", image2)
	say("w2", "start", "c", image2)
	say("w1", "die", "b", image1)
	now, _, err := c.look()
	if err != nil || now.all != 3 || now.running[image1] != 1 || now.running[image2] != 1 || now.on["w1"] != 1 || now.on["w2"] != 1 {
		t.Fatalf("%+v, %v", now, err)
	}
	say("w1", "destroy", "b", image1)
	say("w1", "destroy", "a", image1) // its end was not told
	if now, _, _ := c.look(); now.all != 1 || now.running[image1] != 0 || now.on["w1"] != 0 {
		t.Fatalf("%+v", now)
	}
}
