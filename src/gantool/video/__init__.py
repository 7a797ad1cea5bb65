"""Clips as frames with timestamps: read and written by ffmpeg or Pillow, split into scenes, steadied along motion."""
