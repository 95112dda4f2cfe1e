package volumes

import (
	"fmt"

	"github.com/moby/moby/api/types/volume"
)

// tell is a volume's state in words.
func tell(v volume.Volume, err error) string {
	out := fmt.Sprint(v.Status, err)
	if v.ClusterVolume != nil {
		for _, p := range v.ClusterVolume.PublishStatus {
			out += fmt.Sprintf(" %s %s", p.NodeID, p.State)
		}
	}
	return out
}
