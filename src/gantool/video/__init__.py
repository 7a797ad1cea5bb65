"""Clips as frames with times: read and written by ffmpeg or Pillow, cut into scenes, and steadied along motion."""
