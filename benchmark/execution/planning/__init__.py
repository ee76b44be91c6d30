"""What a run will take and show before it starts: trainings, time, memory, and the difference it can detect."""
