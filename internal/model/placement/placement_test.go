package placement

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStrategies(t *testing.T) {
	for value, want := range map[string]Strategy{"spread": Spread, "binpack": Binpack, "\tbinpack\n": Binpack} {
		labels := map[string]string{Label: value, "skep.placement": "anything"}
		require.NoError(t, Check(labels), value)
		require.Equal(t, want, Of(labels), value)
	}
	require.NoError(t, Check(nil))
	require.Equal(t, Spread, Of(nil))
	for _, value := range []string{"", "pack", "Binpack"} {
		labels := map[string]string{Label: value}
		require.EqualError(t, Check(labels), "label skep.placement.strategy="+value+": it is spread or binpack")
		require.Equal(t, Spread, Of(labels))
	}
	require.True(t, Owns(Label))
	require.False(t, Owns(Label+".x"))
}
