// Live: the microphone goes to the agent and its voice comes back by WebRTC. Of this audio the page
// knows no sample's number: the mouth follows the messages as they come.
"use strict";

async function startTalk() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("the microphone needs https, or localhost (start with --https)");
  }
  const microphone = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 },
  });
  const peer = new RTCPeerConnection();
  face.peer = peer;
  peer.addTrack(microphone.getAudioTracks()[0], microphone);
  peer.ontrack = ({ streams: [stream], track }) => {
    const media = stream ?? new MediaStream([track]);
    document.getElementById("voice").srcObject = media;
    sound.context.createMediaStreamSource(media).connect(
      (sound.meter = sound.context.createAnalyser()));
  };
  peer.createDataChannel("chat");        // the server tells its states and words by it too
  peer.onconnectionstatechange = () => {
    const again = peer.connectionState === "failed" ? ": reload this page to call again" : "";
    say("call", `call: ${peer.connectionState}${again}`);
  };
  await peer.setLocalDescription(await peer.createOffer());
  await new Promise(done => {            // all candidates in one go: no trickling
    if (peer.iceGatheringState === "complete") done();
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && done();
    setTimeout(done, 2000);
  });
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const { sdp, type } = peer.localDescription;
  const answer = await fetch(`/offer${location.search}`, {
    method: "POST", headers, body: JSON.stringify({ sdp, type, call: face.call }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  await peer.setRemoteDescription(await answer.json());
}
